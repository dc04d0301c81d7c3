"""What can be asked for and what it costs: one TOML file per model, the single source."""
