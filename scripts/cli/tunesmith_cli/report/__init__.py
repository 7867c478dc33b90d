"""One HTML page that tells what a loop did: data, training, evaluation, verdict, rollout, retraining. No network."""
