"""The network: Pi3X's scene branch, Multi-HMR's human branch and CHROMM's heads."""
