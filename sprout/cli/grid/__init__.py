"""`sprout grid`: carbon intensities, from providers and files."""
