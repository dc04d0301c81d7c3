"""The painter: pictures of the built-in model's world, from parameters, at any size; what the model learns from."""
