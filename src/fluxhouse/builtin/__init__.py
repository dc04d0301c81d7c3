"""The model that ships with the package, so that everything runs offline."""
