"""How the built-in model is trained: on pictures of the painter, part by part, resumable at any update."""
