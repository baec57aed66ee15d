"""What ParkWatch is measured against: the least that anyone would write for the same job."""
