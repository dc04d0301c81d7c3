"""The vocabulary every room shares, pure: request, image, sizes, backend protocol, errors."""
