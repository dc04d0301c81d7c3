"""FLUX on our own device; knows no account, no job, no HTTP."""
