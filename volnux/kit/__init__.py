"""What a backend needs besides its host: the parts that are the same for all of them."""
