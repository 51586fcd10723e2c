// consumer DIRECTORY PROMPT: the strings of the corpus that look most like the prompt, and what followed each of them.
#include <actkin/index.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: consumer DIRECTORY PROMPT\n";
    return 2;
  }
  try {
    actkin::Index index(argv[1]);
    const actkin::NeighborList found = index.Neighbors(argv[2], {.k = 6, .next_tokens = true});
    std::cout << found.stream << " block " << found.block << " t_i " << found.t_i << '\n';
    for (const actkin::Neighbor& row : found.rows) {
      std::cout << row.rank << ' ' << row.distance << ' ' << row.text << ':';
      for (const actkin::NextToken& next : row.next_tokens) std::cout << ' ' << next.token << ' ' << next.count;
      std::cout << '\n';
    }
    return 0;
  } catch (const actkin::Error& error) {
    std::cerr << "consumer: " << error.what() << '\n';
    return error.code() == actkin::ErrorCode::kNotFound ? 3 : 1;
  }
}
