"""How the pretrained models are made: what to download, the commands that train, what is kept."""
