"""What every train step is made of: gradients, guard, pool, moving average, optimizers."""
