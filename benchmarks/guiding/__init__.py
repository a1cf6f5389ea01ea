"""A language model that is played: a server on this machine, and what it says."""
