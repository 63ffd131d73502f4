"""What countguard costs beside a plain reference, measured in one run: `python -m benchmarks [NAME...]`."""
