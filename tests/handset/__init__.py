"""A FLUX checkpoint of one double and one single block with every weight chosen, so that what it shows is known."""
