"""How fast the library is, beside what a user might write instead: `make bench`."""
