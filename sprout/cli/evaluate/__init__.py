"""`sprout evaluate`: let a judge compare the levels' answers."""
