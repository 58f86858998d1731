DROP TABLE used_numbers;
DROP TABLE former_paths;
