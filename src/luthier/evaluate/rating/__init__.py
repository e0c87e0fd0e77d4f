"""Which of two models answers better: pairs of answers, judged blind by people or by another model."""
