"""How many labels come back."""
