"""What goes wrong on the wire, by a server of our own in a child process."""
