"""The version of Understudy: the app, the API, reports and bug reports show it, and pyproject.toml reads it here."""

VERSION = "0.2.0"
