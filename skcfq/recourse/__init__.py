"""The cheapest action that gets the target. Knows a logit function and actions, no quantizer."""
