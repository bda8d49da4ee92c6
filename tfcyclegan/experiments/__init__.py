"""The package about itself: recipes compared, speed, what synthetic slices are worth."""
