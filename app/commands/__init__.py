"""The subcommands of `grace-studio` besides `serve` and `fetch`; `app.cli` lists them all. Knows no page and no figure."""
