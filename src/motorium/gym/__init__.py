"""Tasks as Gymnasium environments.

Importing this package registers every row of `TASKS`, so that `gymnasium.make("motorium/Go1Velocity-v0")` works, and
`gymnasium.make("motorium.gym:motorium/Go1Velocity-v0")` does without an import.
"""

from motorium.gym.registration import register

register()
