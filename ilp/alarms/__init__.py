"""Who is told of what while nobody looks: notices, the policy, the channels and the watch over a trader."""
