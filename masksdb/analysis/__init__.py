"""Questions about masks: analyse, check, compare, evaluate and draw them."""
