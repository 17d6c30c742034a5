"""One module per framework, found by entry point; importing this package imports none of them."""
