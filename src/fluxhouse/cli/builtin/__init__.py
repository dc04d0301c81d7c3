"""`fluxhouse builtin`: what the built-in model learns from, and how well it has learnt it."""
