"""Accounts, credits and jobs: nouns own a table, verbs own a transaction."""
