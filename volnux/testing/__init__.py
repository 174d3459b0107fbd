"""What a backend, ours or a third party's, is tested with."""
