"""What goes to a machine with a GPU, and what is made of what comes back."""
