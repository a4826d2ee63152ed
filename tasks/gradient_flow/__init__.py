"""Gradient flow: how an error fades or grows on its way back, for every cell and spectral radius.

    python -m tasks.gradient_flow                                    draw it and describe it
    python -m tasks.gradient_flow --cells=SimpleRNN --radii=0.9,1.2 --steps=200

A diagnostic: random networks with a recurrent kernel scaled to a spectral radius read random sequences,
and nothing is trained. It also measures what makes a recurrent network's training loss fluctuate.
"""
