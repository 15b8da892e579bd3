"""What tests share: data they make, references they compare with, servers they start."""
