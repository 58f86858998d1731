"""What the two measuring commands share."""
