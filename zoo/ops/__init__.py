"""What the equations are written with: products over folded axes, a loop over time."""
