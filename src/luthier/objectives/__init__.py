"""What is minimised: supervised instruction tuning, continued pretraining."""
