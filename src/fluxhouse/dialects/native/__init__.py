"""The native accent: PixelDojo's contract and everything it lacks."""
