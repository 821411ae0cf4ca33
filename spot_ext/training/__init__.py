"""The method: teacher, filter, student, losses, and the run that trains them."""
