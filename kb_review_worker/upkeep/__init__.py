"""What the worker does beside its reviews: it seals the trail, keeps histories, and finds the reviews that ended without running code."""
