"""Medical images in and out, whatever their format: a frame, its place, a volume, its sequence."""
