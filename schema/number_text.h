#ifndef ACTKIN_SCHEMA_NUMBER_TEXT_H_
#define ACTKIN_SCHEMA_NUMBER_TEXT_H_

#include <string>

namespace actkin {

// The shortest decimal text that reads back as the same double, as Python's repr (and so its json module) writes it:
// "0.5", "45.280941009521484", "2.4088689087875537e-07", "1e+16", "0.0"; "NaN", "Infinity" and "-Infinity" too.
std::string ShortestText(double number);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_NUMBER_TEXT_H_
