"""Image bytes, where they live, and the safe fetching of what callers point at."""
