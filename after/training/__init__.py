"""Training: run folders, exact resume, averages, schedules, and the two training loops."""
