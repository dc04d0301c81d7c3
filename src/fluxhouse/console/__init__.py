"""The pages drawn from the catalog."""
