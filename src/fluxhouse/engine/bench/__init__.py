"""The engine measured beside diffusers, over the same random weights of a real architecture."""
