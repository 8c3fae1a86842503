"""The subcommands of `grace-studio` besides starting the app."""
