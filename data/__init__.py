"""Facts: accelerators, offers, model architectures, coefficients, and how to read them."""
