"""What quantization did to recourse: figures with counts and intervals."""
